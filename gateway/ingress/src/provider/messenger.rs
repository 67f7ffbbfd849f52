//! Facebook Messenger: events of pages.

use super::meta::messaging::Surface;

/// Its object and a payload; [`super::meta::messaging`] is the rest.
pub(super) static MESSENGER: Surface = Surface {
    object: "page",
    sample: r#"{"object":"page","entry":[{"id":"682498171943165","time":1771495200100,"messaging":[{"sender":{"id":"5246375338785137"},"recipient":{"id":"682498171943165"},"timestamp":1771495200000,"message":{"mid":"m_AG5Hz2Uq7tuwNEhXfYYKj8mJEM_QPpz5jdCK48PnKAjSdjfipqxqMvK8ma6AC8fplwlqLP_5cgXIbu7I3rBN0P","text":"Is the gate open?"}}]}]}"#,
};
