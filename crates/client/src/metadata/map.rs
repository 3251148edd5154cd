//! The cluster map as a client keeps it.

use super::{ATTEMPT_TIMEOUT, FIRST_PAUSE, LONGEST_PAUSE, MAX_MESSAGE_BYTES, Metadata};
use crate::Error;
use model::ClusterMap;
use proto::v1;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Age from which the map is fetched again, beside the call that noticed.
const MAP_AGE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct CachedMap {
    map: Option<(Arc<ClusterMap>, Instant)>,
    refreshing: bool,
}

impl Metadata {
    /// The cluster map, at most a little older than ten seconds unless no server answers.
    pub(crate) async fn map(self: &Arc<Self>) -> Result<Arc<ClusterMap>, Error> {
        self.map_before(self.end_of_call()).await
    }

    pub(super) async fn map_before(
        self: &Arc<Self>,
        end: Instant,
    ) -> Result<Arc<ClusterMap>, Error> {
        let cached = self.map.lock().map.clone();
        if let Some((map, fetched)) = cached {
            if fetched.elapsed() > MAP_AGE {
                self.refresh_soon();
            }
            return Ok(map);
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.fetch_map(end).await {
                Ok(map) => return Ok(map),
                Err(error) => error,
            };
            if !matches!(error, Error::Unavailable(_) | Error::Indeterminate(_))
                || Instant::now() + pause >= end
            {
                return Err(error);
            }
            tokio::time::sleep(self.random.jitter(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Asks every known metadata node in turn, once.
    async fn fetch_map(&self, end: Instant) -> Result<Arc<ClusterMap>, Error> {
        let mut last = model::Error::unavailable("no address of a metadata node is known");
        for address in self.known_servers() {
            let send = |channel| async move {
                v1::directory_client::DirectoryClient::new(channel)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .get_map(v1::GetMapRequest { leader: false })
                    .await
            };
            match self.attempt(&address, end, &send).await {
                Ok(answer) => return self.remember(answer),
                Err(refusal) if !refusal.repeat => return Err(refusal.error.into()),
                Err(refusal) => last = refusal.error,
            }
        }
        Err(Error::unavailable(format!("no metadata node answered; the last: {last}")))
    }

    /// The map as it was last fetched.
    pub(super) fn known_map(&self) -> Option<Arc<ClusterMap>> {
        self.map.lock().map.as_ref().map(|(map, _)| map.clone())
    }

    /// Keeps a map that was fetched, unless a newer one is there.
    pub(crate) fn remember(&self, answer: v1::ClusterMap) -> Result<Arc<ClusterMap>, Error> {
        let map: Arc<ClusterMap> = Arc::new(answer.try_into()?);
        let mut cached = self.map.lock();
        if let Some((newer, fetched)) = &mut cached.map
            && newer.epoch > map.epoch
        {
            *fetched = Instant::now();
            return Ok(newer.clone());
        }
        cached.map = Some((map.clone(), Instant::now()));
        Ok(map)
    }

    /// Fetches the map beside the caller, once at a time.
    pub(super) fn refresh_soon(self: &Arc<Self>) {
        {
            let mut cached = self.map.lock();
            if cached.refreshing {
                return;
            }
            cached.refreshing = true;
        }
        let metadata = self.clone();
        tokio::spawn(async move {
            if let Err(error) = metadata.fetch_map(Instant::now() + ATTEMPT_TIMEOUT).await {
                tracing::debug!(%error, "the cluster map could not be refreshed");
            }
            metadata.map.lock().refreshing = false;
        });
    }
}
