//! What a reader does when fragments do not agree, or too few are left.

use super::MetachunkReader;
use crate::{Error, blocks::ChunkSource, reader::Whereabouts};
use layout::{Stripe, StripeSum};
use recovery::{Command, Event, Loss, Mask};

impl MetachunkReader<'_> {
    /// A fragment that is whole may still name another stripe: its data is of use, but it could
    /// not take part in a decode. Looked at only where all data is there and does not agree.
    pub(super) fn check_stripe_sums(&mut self, stripe: &Stripe) {
        let k = self.method.data();
        let data: Vec<_> = self.fragments.iter().take(k).flatten().collect();
        let agree = data.windows(2).all(|pair| pair[0].stripe_crc == pair[1].stripe_crc);
        if agree || data.len() < k {
            return;
        }
        let mut sum = StripeSum::new(stripe.fragment_bytes());
        for (j, fragment) in data.iter().enumerate() {
            sum.push(&fragment.contiguous()[..stripe.fragment(j).len()]);
        }
        let stripe_crc = sum.finish();
        for position in 0..k {
            let stored = self.fragments[position].as_ref().map(|f| f.stripe_crc);
            if let (Some(stored), Some(source)) = (stored, self.source(position))
                && stored != stripe_crc
            {
                let why = format!(
                    "block {} says its stripe's sum is {stored:08x}, but it is {stripe_crc:08x}",
                    stripe.number()
                );
                self.context.damages.note(source.name, source.volume.id, &Loss::Corrupt(why));
            }
        }
    }

    /// Nothing is left to try with what is known: looks once where the chunks are now, and asks
    /// the slow ones once more.
    pub(super) async fn last_resort(
        &mut self,
        stripe: &Stripe,
        forgiven: &mut bool,
    ) -> Result<Vec<Command>, Error> {
        if !self.relocated {
            self.relocated = true;
            let moved = self.relocate().await?;
            if moved != 0 {
                return Ok(self.plan.handle(Event::Found(moved)));
            }
        }
        let late = self.plan.late();
        if !*forgiven && late != 0 {
            *forgiven = true;
            return Ok(self.plan.handle(Event::Found(late)));
        }
        Err(self.unreadable(stripe))
    }

    /// Positions whose chunk is another than before.
    async fn relocate(&mut self) -> Result<Mask, Error> {
        let before: Vec<_> = (0..self.method.width()).map(|p| self.source(p)).collect();
        // Servers may have refused for want of leave alone: then all may be asked again.
        let stale = self.whereabouts.is_stale();
        let (object, volumes) = self.context.contents.locate().await?;
        *self.whereabouts = Whereabouts::new(object, volumes);
        let (table, row) = self.row()?;
        if table.origin != self.origin || table.method != self.method || row.length != self.length {
            return Err(Error::unavailable("the object was replaced while it was read"));
        }
        let place = |s: &ChunkSource| (s.name, s.volume.id, s.volume.address.clone());
        let moved = |p: &usize| {
            let now = self.source(*p);
            now.is_some() && (stale || now.as_ref().map(place) != before[*p].as_ref().map(place))
        };
        Ok((0..self.method.width()).filter(moved).fold(0, |mask, p| mask | 1 << p))
    }

    fn unreadable(&self, stripe: &Stripe) -> Error {
        let may_come_back =
            |(_, loss): &(usize, Loss)| matches!(loss, Loss::Slow | Loss::Unreachable(_));
        let reasons: Vec<_> = self
            .losses
            .iter()
            .map(|(position, loss)| match self.source(*position) {
                Some(s) => format!("position {position} on volume {}: {loss}", s.volume.id),
                None => format!("position {position}: {loss}"),
            })
            .collect();
        let message = format!(
            "stripe {} of metachunk {} cannot be read: fewer than {} sound fragments are left; {}",
            stripe.number(),
            self.number,
            self.method.data(),
            reasons.join("; ")
        );
        if self.losses.iter().any(may_come_back) {
            Error::unavailable(message)
        } else {
            Error::corrupt(message)
        }
    }
}
