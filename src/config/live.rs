//! The user's `config.toml` as it stands now: what is set up, or mended, while the server runs counts from the next use on.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Config, ConfigError, Folders, folders};

/// See the module. A broken file changes nothing of what was read before.
pub struct Live {
    /// None where nothing is read.
    folders: Option<Folders>,
    known: Mutex<Known>,
}

#[derive(Clone, Default)]
struct Known {
    text: Option<String>,
    config: Arc<Config>,
    broken: Option<ConfigError>,
}

impl Live {
    /// The file below these folders.
    pub fn of(folders: &Folders) -> Live {
        Live { folders: Some(folders.clone()), known: Mutex::default() }
    }

    /// What is set, by the last file that was sound.
    pub fn now(&self) -> Arc<Config> {
        self.known().config
    }

    /// What is wrong with the file.
    pub fn broken(&self) -> Option<ConfigError> {
        self.known().broken
    }

    /// Both, of the same moment.
    pub fn look(&self) -> (Arc<Config>, Option<ConfigError>) {
        let Known { config, broken, .. } = self.known();
        (config, broken)
    }

    fn known(&self) -> Known {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = &self.folders else { return known.clone() };
        match folders::read(&Config::path(place)) {
            Ok(text) if text == known.text && known.broken.as_ref().is_none_or(|_| text.is_some()) => {}
            Ok(text) => {
                match Config::parse(place, text.as_deref()) {
                    Ok(config) => (known.config, known.broken) = (Arc::new(config), None),
                    Err(error) => known.broken = Some(error),
                }
                known.text = text;
            }
            Err(error) => (known.text, known.broken) = (None, Some(error)),
        }
        known.clone()
    }
}

impl From<Config> for Live {
    /// These settings, whatever the files say.
    fn from(config: Config) -> Live {
        Live { folders: None, known: Mutex::new(Known { config: Arc::new(config), ..Known::default() }) }
    }
}
