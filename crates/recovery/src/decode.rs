//! Rebuilding a stripe from fragments, and making sure it is the stripe.

use crate::{Fragment, Mask, has};
use bytes::Bytes;
use erasure::{Codec, Error};
use layout::{Stripe, StripeSum};
use model::{MAX_WIDTH, Method};

/// Rebuilds stripes of one method.
pub struct Decoder {
    codec: Codec,
}

impl Decoder {
    /// Of a method; copies need none.
    ///
    /// # Errors
    /// The method is out of its bounds.
    pub fn new(method: Method) -> Result<Option<Self>, Error> {
        match method {
            Method::Copies { .. } => Ok(None),
            Method::Erasure { data, parity } => {
                Ok(Some(Self { codec: Codec::new(data.into(), parity.into())? }))
            }
        }
    }

    /// The data fragments of a stripe, decoded from those in `from`; `None` if what they give
    /// is not the stripe that they say they belong to.
    pub fn decode(
        &self,
        stripe: &Stripe,
        fragments: &[Option<Fragment>],
        from: Mask,
    ) -> Result<Option<Vec<Bytes>>, Error> {
        let inputs = inputs(fragments, from);
        let expected = fragments.iter().enumerate().filter(|(p, _)| has(from, *p));
        let expected = expected.filter_map(|(_, f)| f.as_ref()).map(|f| f.stripe_crc).next();
        let missing = (0..self.codec.data()).filter(|j| !has(from, *j));
        let rebuilt = self.reconstruct(&inputs, missing, stripe.fragment_bytes())?;
        let mut data: Vec<Bytes> =
            inputs.into_iter().take(self.codec.data()).map(Option::unwrap_or_default).collect();
        for (j, bytes) in rebuilt {
            data[j] = bytes.into();
        }
        let mut sum = StripeSum::new(stripe.fragment_bytes());
        for (j, fragment) in data.iter().enumerate() {
            sum.push(&fragment[..stripe.fragment(j).len()]);
        }
        Ok((Some(sum.finish()) == expected).then_some(data))
    }

    /// The fragment of a position, from all data fragments of its stripe.
    pub fn fragment(&self, data: &[Bytes], position: usize) -> Result<Bytes, Error> {
        if let Some(fragment) = data.get(position) {
            return Ok(fragment.clone());
        }
        let length = data.first().map_or(0, Bytes::len);
        let mut inputs: Vec<Option<Bytes>> = data.iter().cloned().map(Some).collect();
        inputs.resize(self.codec.total(), None);
        let rebuilt = self.reconstruct(&inputs, std::iter::once(position), length)?;
        Ok(rebuilt.into_iter().next().map(|(_, bytes)| bytes.into()).unwrap_or_default())
    }

    /// Those of `suspects` whose fragment is not what `from`, known to be good, encodes to.
    pub fn rotten(
        &self,
        stripe: &Stripe,
        fragments: &[Option<Fragment>],
        from: Mask,
        suspects: Mask,
    ) -> Result<Mask, Error> {
        let inputs = inputs(fragments, from);
        let wanted = (0..fragments.len()).filter(|p| has(suspects & !from, *p));
        let rebuilt = self.reconstruct(&inputs, wanted, stripe.fragment_bytes())?;
        let differs = |(p, bytes): &(usize, Vec<u8>)| {
            fragments[*p].as_ref().is_some_and(|f| f.contiguous() != bytes)
        };
        Ok(rebuilt.iter().filter(|r| differs(r)).fold(0, |mask, (p, _)| mask | 1 << p))
    }

    fn reconstruct(
        &self,
        inputs: &[Option<Bytes>],
        wanted: impl Iterator<Item = usize>,
        length: usize,
    ) -> Result<Vec<(usize, Vec<u8>)>, Error> {
        let mut present: [Option<&[u8]>; MAX_WIDTH] = [None; MAX_WIDTH];
        for (slot, input) in present.iter_mut().zip(inputs) {
            *slot = input.as_deref();
        }
        let mut buffers: Vec<_> = wanted.map(|p| (p, vec![0; length])).collect();
        let mut outputs: Vec<(usize, &mut [u8])> =
            buffers.iter_mut().map(|(p, buffer)| (*p, buffer.as_mut_slice())).collect();
        self.codec.reconstruct(&present[..self.codec.total()], &mut outputs)?;
        Ok(buffers)
    }
}

fn inputs(fragments: &[Option<Fragment>], from: Mask) -> Vec<Option<Bytes>> {
    let chosen = |(p, fragment): (usize, &Option<Fragment>)| {
        fragment.as_ref().filter(|_| has(from, p)).map(Fragment::contiguous)
    };
    fragments.iter().enumerate().map(chosen).collect()
}
