//! Reading whatever a path names: an object, what a link leads to, or what a manifest makes of
//! others.

use crate::{
    authorize::authorize,
    call::Call,
    caller::Caller,
    content::{Content, Origin},
    dlo::{self, Manifest},
    gateway::Gateway,
    metadata,
    object::{Names, Place, etag, shown},
    path::Account,
    refusal::Refusal,
    slo::{self, Large},
    symlink::{self, Link},
};
use client::{ContainerName, Object, OpenObject};
use http::Method;

/// Who reads: what a request must leave behind so that its answer can be read on.
#[derive(Clone)]
pub struct Reader {
    /// Where from.
    pub gateway: Gateway,
    /// As whom.
    pub caller: Caller,
    /// The page the request comes from.
    pub referrer: Option<String>,
}

/// What is wanted of a path.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Whether the bytes are wanted, not only the head.
    pub body: bool,
    /// Whether what manifests name is wanted, not the manifests.
    pub manifests: bool,
    /// Whether what links lead to is wanted, not the links.
    pub links: bool,
    /// Whether also of links that are not static.
    pub dynamic_links: bool,
    /// Manifests that led here.
    pub depth: u8,
}

impl Default for How {
    fn default() -> Self {
        Self { body: true, manifests: true, links: true, dynamic_links: true, depth: 0 }
    }
}

/// What was found.
pub struct Found {
    /// Where.
    pub names: Names,
    /// The object there.
    pub object: Object,
    /// What is read of it.
    pub content: Content,
    /// Whether that is the object itself.
    pub plain: bool,
}

impl Call {
    /// Who reads for this request.
    pub fn reader(&self) -> Reader {
        Reader {
            gateway: self.gateway.clone(),
            caller: self.caller.clone(),
            referrer: self.header("referer").map(str::to_owned),
        }
    }
}

impl Reader {
    /// Whether objects of a container may be read.
    ///
    /// # Errors
    /// 401 without a token, 403 with one.
    pub async fn may_read(
        &self,
        account: &Account,
        container: &ContainerName,
    ) -> Result<(), Refusal> {
        let referrer = self.referrer.as_deref();
        let (gateway, caller) = (&self.gateway, &self.caller);
        authorize(gateway, caller, referrer, &Method::GET, account, Some(container), true).await?;
        Ok(())
    }

    /// What is at a place, which the caller may read. What it leads to is only read if the caller
    /// may read that too.
    ///
    /// # Errors
    /// 404 if there is nothing, 409 for manifests and links whose objects are not what they were,
    /// 401 and 403 where a link leads to what the caller may not read.
    pub async fn find(&self, place: Place<'_>, how: How) -> Result<Found, Refusal> {
        let mut names = Names {
            account: place.account.clone(),
            container: place.container.clone(),
            object: place.object.clone(),
        };
        let mut version = place.version;
        // The path that the last link led to, and what static links expect there.
        let (mut location, mut expected, mut followed) = (None::<String>, Vec::new(), 0);
        let found = loop {
            let told = |refusal| symlink::at(location.as_deref(), refusal);
            let place = Place { version: version.take(), ..names.place() };
            let (object, opened) = self.look(place, how.body).await.map_err(told)?;
            let link = Link::of(&object.properties)
                .filter(|link| how.links && (how.dynamic_links || link.etag.is_some()));
            let Some(link) = link else {
                symlink::check(&expected, object.entry.md5).map_err(told)?;
                break (object, opened);
            };
            match link.etag {
                Some(etag) => expected.push(etag.to_owned()),
                None => {
                    symlink::check(&expected, object.entry.md5).map_err(told)?;
                    expected.clear();
                }
            }
            if followed == symlink::MOST {
                return Err(told(symlink::too_many()));
            }
            followed += 1;
            let next = link.names(&names.account)?;
            location = Some(link.path(&names.account));
            names = next;
            let may = self.may_read(&names.account, &names.container).await;
            may.map_err(|refusal| symlink::at(location.as_deref(), refusal))?;
        };
        let (object, opened) = found;
        let large = Large::of(&object).filter(|_| how.manifests);
        let dynamic = Manifest::of(&object).filter(|_| how.manifests);
        let plain = large.is_none() && dynamic.is_none();
        let mut content = match (large, dynamic) {
            (Some(large), _) => slo::content(self, &names, &object, opened, large, how).await?,
            (None, Some(manifest)) => {
                dlo::content(self, &names.account, &object, manifest, how).await?
            }
            (None, None) => itself(&object, opened.map(|opened| Box::new(opened) as _)),
        };
        if let Some(location) = location {
            metadata::set(&mut content.headers, "content-location", &location);
        }
        Ok(Found { names, object, content, plain })
    }

    async fn look(
        &self,
        place: Place<'_>,
        body: bool,
    ) -> Result<(Object, Option<OpenObject>), Refusal> {
        Ok(match body {
            true => {
                let (object, opened) = self.gateway.open(place).await?;
                (object, Some(opened))
            }
            false => (self.gateway.head_of(place).await?, None),
        })
    }
}

/// An object itself as something to be read.
pub fn itself(object: &Object, origin: Option<Box<dyn Origin>>) -> Content {
    Content {
        headers: shown(object),
        size: object.entry.size,
        open_ended: false,
        etag: etag(object),
        modified: object.entry.modified,
        in_parts: true,
        origin,
    }
}
