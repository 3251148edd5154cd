//! How a content becomes stripes, fragments, blocks and chunks: geometry and byte formats.
