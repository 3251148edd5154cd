//! How messages become bytes: protobuf, in buffers that fit most of them.

use prost::Message;
use std::marker::PhantomData;
use tonic::codec::BufferSettings;
use tonic_prost::ProstCodec;

/// Bytes that are set aside for a message, each time one is sent or received; larger ones get
/// more. Allocators have this size at hand. The library's 8 KiB are not, and a call takes four.
const BUFFER_BYTES: usize = 1000;

/// Bytes of a stream of messages that are sent at once: as the library has it.
const SENT_AT_ONCE: usize = 32 * 1024;

/// The codec of all services.
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as tonic::codec::Codec>::Encoder;
    type Decoder = <ProstCodec<T, U> as tonic::codec::Codec>::Decoder;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_BYTES, SENT_AT_ONCE))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER_BYTES, SENT_AT_ONCE))
    }
}
