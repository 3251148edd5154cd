use super::*;
use proptest::prelude::*;

fn erasure(needed: usize, width: usize, absent: Mask) -> ReadPlan {
    ReadPlan::new(needed, false, (0..width).collect(), absent)
}

fn got(position: usize) -> Event {
    Event::Got { position, stripe_crc: 7 }
}

fn lost(position: usize) -> Event {
    Event::Lost { position, gone: Gone::Lost }
}

fn run(plan: &mut ReadPlan, events: impl IntoIterator<Item = Event>) -> Vec<Command> {
    events.into_iter().flat_map(|event| plan.handle(event)).collect()
}

use Command::{Decode, Direct, Exhausted, Fetch};

#[test]
fn the_healthy_path_fetches_what_is_wanted_and_decodes_nothing() {
    let mut plan = erasure(4, 6, 0);
    assert_eq!(plan.begin(0b1111, 0), [Fetch(0), Fetch(1), Fetch(2), Fetch(3)]);
    assert_eq!(run(&mut plan, [got(2), got(0), got(3), got(1)]), [Direct(0)]);
    // A small range touches the fragments it covers.
    assert_eq!(plan.begin(0b0100, 0), [Fetch(2)]);
    assert_eq!(run(&mut plan, [got(2)]), [Direct(0)]);
}

#[test]
fn a_loss_brings_in_others_and_stays() {
    let mut plan = erasure(4, 6, 0);
    plan.begin(0b1111, 0);
    assert_eq!(run(&mut plan, [got(0), lost(1)]), [Fetch(4)]);
    assert_eq!(run(&mut plan, [got(2), got(3), got(4)]), [Decode(0b11101)]);
    let next = plan.begin(0b1111, 0);
    assert_eq!(next, [Fetch(0), Fetch(2), Fetch(3), Fetch(4)], "the lost one is not asked again");
}

#[test]
fn a_small_range_with_a_loss_needs_k() {
    let mut plan = erasure(4, 6, 0);
    plan.begin(0b0010, 0);
    assert_eq!(run(&mut plan, [lost(1)]), [Fetch(0), Fetch(2), Fetch(3), Fetch(4)]);
    assert_eq!(run(&mut plan, [got(0), got(2), got(3), got(4)]), [Decode(0b11101)]);
    // Where the lost one is not wanted, nothing is decoded.
    assert_eq!(plan.begin(0b0001, 0), [Fetch(0)]);
}

#[test]
fn an_absent_or_avoided_position_is_not_waited_for() {
    let mut plan = erasure(4, 6, 0b0001);
    assert_eq!(plan.begin(0b1111, 0), [Fetch(1), Fetch(2), Fetch(3), Fetch(4)]);
    let mut plan = erasure(4, 6, 0);
    assert_eq!(plan.begin(0b1111, 0b1000), [Fetch(0), Fetch(1), Fetch(2), Fetch(4)]);
    assert_eq!(run(&mut plan, [lost(0)]), [Fetch(3)], "but turned to if need be");
}

#[test]
fn a_hedge_races_and_the_wanted_one_may_still_win() {
    let mut plan = erasure(2, 4, 0);
    plan.begin(0b11, 0);
    assert_eq!(run(&mut plan, [got(0), Event::Hedge]), [Fetch(2)]);
    assert_eq!(plan.handle(got(2)), [Decode(0b101)]);
    assert_eq!(plan.asked(), 0b10);
    let mut plan = erasure(2, 4, 0);
    plan.begin(0b11, 0);
    run(&mut plan, [got(0), Event::Hedge]);
    assert_eq!(plan.handle(got(1)), [Direct(0)]);
}

#[test]
fn rotten_parity_is_found_by_trying_others() {
    let mut plan = erasure(2, 5, 0);
    plan.begin(0b11, 0);
    // Position 0 is lost, 2 is rotten: 1 and 3 give the stripe.
    assert_eq!(run(&mut plan, [lost(0)]), [Fetch(2)]);
    assert_eq!(run(&mut plan, [got(1), got(2)]), [Decode(0b00110)]);
    assert_eq!(plan.handle(Event::Mismatch), [Fetch(3)]);
    assert_eq!(plan.handle(got(3)), [Decode(0b01010)]);
}

#[test]
fn fragments_that_disagree_on_their_stripe_are_not_mixed() {
    let mut plan = erasure(2, 4, 0b0001);
    plan.begin(0b11, 0);
    plan.handle(got(1));
    let other = Event::Got { position: 2, stripe_crc: 8 };
    assert_eq!(plan.handle(other), [Fetch(3)]);
    assert_eq!(plan.handle(got(3)), [Decode(0b1010)]);
}

#[test]
fn what_is_too_little_is_exhausted_and_can_be_found_again() {
    let mut plan = erasure(2, 3, 0);
    plan.begin(0b11, 0);
    let late = Event::Lost { position: 0, gone: Gone::Late };
    assert_eq!(run(&mut plan, [late, lost(1)]), [Fetch(2)]);
    assert_eq!(plan.handle(got(2)), [Exhausted]);
    assert_eq!(plan.handle(Event::Found(plan.late())), [Fetch(0)]);
    assert_eq!(plan.handle(got(0)), [Decode(0b101)]);
}

#[test]
fn of_copies_any_will_do() {
    let mut plan = ReadPlan::new(1, true, vec![2, 0, 1], 0);
    assert_eq!(plan.begin(1, 0), [Fetch(2)]);
    assert_eq!(plan.handle(lost(2)), [Fetch(0)]);
    assert_eq!(plan.handle(Event::Hedge), [Fetch(1)]);
    assert_eq!(plan.handle(got(1)), [Direct(1)]);
    assert_eq!(plan.begin(1, 0), [Fetch(1)], "it stays with the one that works");
    assert_eq!(run(&mut plan, [lost(1)]), [Fetch(0)]);
    assert_eq!(plan.handle(lost(0)), [Exhausted]);
}

#[test]
fn subsets_come_in_order_and_all_of_them() {
    let all: Vec<_> = subsets(0b10111, 2).collect();
    assert_eq!(all, [0b00011, 0b00101, 0b10001, 0b00110, 0b10010, 0b10100]);
    assert_eq!(subsets(0b11, 3).count(), 0);
}

proptest! {
    /// For every set of losses and rotten fragments: if k good ones remain the stripe is read,
    /// from good ones alone; otherwise the plan says so. Either way it ends.
    #[test]
    fn any_k_good_fragments_are_found(
        k in 1usize..6,
        m in 1usize..5,
        lost_ones in any::<u32>(),
        rotten in any::<u32>(),
        wanted in any::<u32>(),
        order in any::<u64>(),
    ) {
        let width = k + m;
        let wanted = match wanted & ((1 << k) - 1) { 0 => 1, some => some };
        let mut plan = erasure(k, width, 0);
        plan.order.rotate_left((order % width as u64) as usize);
        // Data fragments are checked by themselves; only parity can be whole and yet wrong.
        let rotten = rotten & !((1u32 << k) - 1) & !lost_ones;
        let good = (0..width).filter(|p| !has(lost_ones | rotten, *p)).count();
        let mut todo: std::collections::VecDeque<Command> = plan.begin(wanted, 0).into();
        let mut steps = 0;
        let read = loop {
            let Some(command) = todo.pop_front() else {
                prop_assert!(false, "the plan waits for nothing");
                unreachable!();
            };
            steps += 1;
            prop_assert!(steps < 5000);
            match command {
                Fetch(p) if has(lost_ones, p) => todo.extend(plan.handle(lost(p))),
                Fetch(p) => todo.extend(plan.handle(got(p))),
                Direct(_) => {
                    prop_assert_eq!(wanted & lost_ones, 0);
                    break true;
                }
                Decode(mask) => {
                    prop_assert_eq!(mask.count_ones() as usize, k);
                    prop_assert_eq!(mask & lost_ones, 0);
                    if mask & rotten == 0 {
                        break true;
                    }
                    todo.extend(plan.handle(Event::Mismatch));
                }
                Exhausted => break false,
            }
        };
        prop_assert_eq!(read, good >= k || wanted & lost_ones == 0);
    }
}
