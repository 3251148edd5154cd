//! The `md-5` crate, for processors no other kernel is for.

use super::{Block, State};

pub(super) fn compress(state: &mut State, blocks: &[Block]) {
    md5::block_api::compress(state, blocks);
}
