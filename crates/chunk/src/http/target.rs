//! What a request's path names.

use super::{HttpError, answer};
use http::{HeaderMap, Uri};
use model::{ChunkName, VolumeId};

/// A chunk on a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) volume: VolumeId,
    pub(super) chunk: ChunkName,
}

impl Target {
    /// Parses `/v1/volumes/{id}/chunks/{name}`. There is one spelling of each path: no escapes,
    /// empty parts, leading zeros or query.
    pub(super) fn parse(uri: &Uri) -> Result<Self, HttpError> {
        let wrong = || HttpError::invalid("the path must be /v1/volumes/{id}/chunks/{name}");
        if uri.query().is_some() {
            return Err(wrong());
        }
        let rest = uri.path().strip_prefix("/v1/volumes/").ok_or_else(wrong)?;
        let (volume, chunk) = rest.split_once("/chunks/").ok_or_else(wrong)?;
        let id: VolumeId = volume.parse().map_err(|_| wrong())?;
        if id.to_string() != volume {
            return Err(wrong());
        }
        Ok(Self { volume: id, chunk: chunk.parse()? })
    }
}

/// The new name of a copy.
pub(super) fn destination(headers: &HeaderMap) -> Result<ChunkName, HttpError> {
    let to = answer::header_text(headers, &answer::DESTINATION)?;
    let to = to.ok_or_else(|| HttpError::invalid("COPY needs a destination: header"))?;
    Ok(to.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "000102030405060708090a0b0c0d0e0f.7.11.0123456789abcdef";

    #[test]
    fn a_path_has_one_spelling() {
        let good: Uri = format!("/v1/volumes/12/chunks/{NAME}").parse().unwrap();
        let target = Target::parse(&good).unwrap();
        assert_eq!((target.volume.0, target.chunk.to_string()), (12, NAME.to_owned()));
        for bad in [
            "/".to_owned(),
            "/v1/volumes/12/chunks/".into(),
            "/v1/volumes/12/chunks/..".into(),
            "/v1/volumes/12/chunks/%2e%2e%2fvolume.json".into(),
            "/v1/volumes/12/chunks/../../volume.json".into(),
            format!("/v1/volumes/12/chunks/{NAME}/"),
            format!("/v1/volumes/12/chunks/{NAME}?a"),
            format!("/v1/volumes/12//chunks/{NAME}"),
            format!("/v1/volumes/012/chunks/{NAME}"),
            format!("/v1/volumes/+12/chunks/{NAME}"),
            format!("/v1/volumes/-1/chunks/{NAME}"),
            format!("/v1/volumes/4294967296/chunks/{NAME}"),
            format!("/v1/volumes//chunks/{NAME}"),
            format!("/v2/volumes/12/chunks/{NAME}"),
            format!("//v1/volumes/12/chunks/{NAME}"),
            format!("/v1/volumes/12/chunks/{}", NAME.to_uppercase()),
            format!("/v1/volumes/12/chunks/{}", "0".repeat(60_000)),
        ] {
            let uri: Uri = bad.parse().unwrap();
            assert!(Target::parse(&uri).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "/[ -~]{0,120}") {
            if let Ok(uri) = path.parse::<Uri>() {
                let _ = Target::parse(&uri);
            }
        }
    }
}
