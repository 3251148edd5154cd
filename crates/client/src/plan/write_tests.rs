use super::*;
use proptest::prelude::*;

const S: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn a_position_without_a_volume_is_dropped_from_the_start() {
    let volumes = [Some(VolumeId(1)), Some(VolumeId(2)), None];
    let (mut plan, commands) = WritePlan::new(2, &volumes, [VolumeId(9)], S(0));
    assert_eq!(
        commands,
        [
            Command::Open { position: 0, volume: VolumeId(1) },
            Command::Open { position: 1, volume: VolumeId(2) },
            Command::Drop { position: 2, stalled: false },
        ]
    );
    let mut last = Vec::new();
    for position in 0..2 {
        plan.handle(S(0), Event::Connected(position));
        last = plan.handle(S(1), Event::Acknowledged(position));
    }
    assert_eq!(last, [Command::Succeed(volumes.to_vec())]);
}

fn plan(quorum: usize, width: u32, spares: &[u32]) -> WritePlan {
    let volumes: Vec<_> = (1..=width).map(|v| Some(VolumeId(v))).collect();
    let (plan, opens) = WritePlan::new(quorum, &volumes, spares.iter().map(|v| VolumeId(*v)), S(0));
    let expected: Vec<_> = (0..width as usize)
        .map(|position| Command::Open { position, volume: VolumeId(position as u32 + 1) })
        .collect();
    assert_eq!(opens, expected, "all positions open at once");
    plan
}

fn progress(fed: u64, ended: bool, taken: &[u64]) -> Event {
    Event::Progress { fed, ended, taken: taken.to_vec() }
}

/// Runs events through a plan and collects the commands.
fn run(plan: &mut WritePlan, events: impl IntoIterator<Item = (u64, Event)>) -> Vec<Command> {
    events.into_iter().flat_map(|(at, event)| plan.handle(S(at), event)).collect()
}

fn on(volumes: &[u32]) -> Command {
    Command::Succeed(volumes.iter().map(|v| (*v != 0).then_some(VolumeId(*v))).collect())
}

/// What, quorum, spares, events after the three positions opened, commands.
type Row = (&'static str, usize, &'static [u32], Vec<(u64, Event)>, Vec<Command>);

#[test]
fn tables() {
    use Event::{Acknowledged as A, Connected as C, Failed as F};
    let dropped = |position| Command::Drop { position, stalled: false };
    let stalled = |position| Command::Drop { position, stalled: true };
    let open = |position, volume| Command::Open { position, volume: VolumeId(volume) };
    let connected = || (0..3).map(|p| (0, C(p)));
    let table: Vec<Row> = vec![
        (
            "everything works",
            2,
            &[],
            connected().chain([(1, A(0)), (1, A(2)), (2, A(1))]).collect(),
            vec![on(&[1, 2, 3])],
        ),
        (
            "a refusal before data goes to a spare",
            2,
            &[9],
            vec![(0, C(0)), (0, F(1)), (0, C(2)), (0, C(1)), (1, A(0)), (1, A(1)), (1, A(2))],
            vec![open(1, 9), on(&[1, 9, 3])],
        ),
        (
            "without a spare the position is dropped",
            2,
            &[],
            vec![(0, F(1)), (0, C(0)), (0, C(2)), (1, A(0)), (1, A(2))],
            vec![dropped(1), on(&[1, 0, 3])],
        ),
        (
            "a failure behind the first byte drops, spare or not",
            2,
            &[9],
            connected().chain([(1, F(0)), (1, A(1)), (1, A(2))]).collect(),
            vec![dropped(0), on(&[0, 2, 3])],
        ),
        (
            "below the quorum it fails at once, and only once",
            2,
            &[],
            connected().chain([(1, F(0)), (1, F(1)), (1, F(2)), (1, A(2))]).collect(),
            vec![dropped(0), dropped(1), Command::Fail],
        ),
        (
            "one that hangs while others move is dropped after five seconds",
            2,
            &[],
            connected()
                .chain([
                    (1, progress(9, false, &[9, 3, 9])),
                    (5, progress(9, false, &[9, 3, 9])),
                    (6, progress(9, false, &[9, 3, 9])),
                ])
                .collect(),
            vec![stalled(1)],
        ),
        (
            "a slow source is nobody's fault",
            2,
            &[],
            connected()
                .chain([
                    (1, progress(9, false, &[9, 9, 9])),
                    (25, progress(9, false, &[9, 9, 9])),
                    (29, progress(19, false, &[19, 9, 19])),
                    (33, progress(19, false, &[19, 19, 19])),
                ])
                .collect(),
            vec![],
        ),
        (
            "one that does not acknowledge when others did is dropped",
            2,
            &[],
            connected()
                .chain([
                    (1, progress(9, true, &[9, 9, 9])),
                    (2, A(0)),
                    (2, A(1)),
                    (5, progress(9, true, &[9, 9, 9])),
                    (6, progress(9, true, &[9, 9, 9])),
                ])
                .collect(),
            vec![stalled(2), on(&[1, 2, 0])],
        ),
        (
            "all of them may take their time, but not for ever",
            2,
            &[],
            connected()
                .chain([
                    (1, progress(9, true, &[9, 9, 9])),
                    (20, progress(9, true, &[9, 9, 9])),
                    (31, progress(9, true, &[9, 9, 9])),
                ])
                .collect(),
            vec![stalled(0), stalled(1), stalled(2), Command::Fail],
        ),
        (
            "one that does not open while others did goes to a spare",
            2,
            &[7],
            vec![
                (0, C(0)),
                (0, C(2)),
                (4, progress(9, false, &[9, 0, 9])),
                (5, progress(9, false, &[9, 0, 9])),
            ],
            vec![open(1, 7)],
        ),
    ];
    for (what, quorum, spares, events, expected) in table {
        assert_eq!(run(&mut plan(quorum, 3, spares), events), expected, "{what}");
    }
}

proptest! {
    /// Whatever happens, success names only volumes whose position acknowledged, on distinct
    /// volumes and at least a quorum of them; and the end is said once.
    #[test]
    fn success_is_never_claimed_without_a_quorum(
        quorum in 1usize..5,
        spares in 0u32..3,
        events in proptest::collection::vec((0usize..5, 0u8..4, 0u64..8), 0..80),
    ) {
        let spares: Vec<u32> = (0..spares).map(|s| 100 + s).collect();
        let mut plan = plan(quorum, 5, &spares);
        let mut acknowledged = std::collections::BTreeSet::new();
        let mut ends = 0;
        let mut now = 0;
        for (position, what, wait) in events {
            now += wait;
            let event = match what {
                0 => Event::Connected(position),
                1 => Event::Acknowledged(position),
                2 => Event::Failed(position),
                _ => progress(9, wait > 4, &[9, 0, 9, 3, 9]),
            };
            if let Event::Acknowledged(p) = event {
                acknowledged.insert(p);
            }
            for command in plan.handle(S(now), event) {
                match command {
                    Command::Succeed(volumes) => {
                        ends += 1;
                        let durable: Vec<_> = volumes.iter().flatten().collect();
                        prop_assert!(durable.len() >= quorum);
                        let distinct: std::collections::BTreeSet<_> = durable.iter().collect();
                        prop_assert_eq!(distinct.len(), durable.len());
                        for (at, volume) in volumes.iter().enumerate() {
                            prop_assert!(volume.is_none() || acknowledged.contains(&at));
                        }
                    }
                    Command::Fail => ends += 1,
                    Command::Open { .. } | Command::Drop { .. } => prop_assert_eq!(ends, 0),
                }
            }
            prop_assert!(ends <= 1);
        }
    }
}
