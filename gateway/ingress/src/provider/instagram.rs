//! Instagram messaging: events of accounts.

use super::meta::messaging::Surface;

/// Its object and a payload; [`super::meta::messaging`] is the rest.
pub(super) static INSTAGRAM: Surface = Surface {
    object: "instagram",
    sample: r#"{"object":"instagram","entry":[{"id":"17841405822304914","time":1771495200100,"messaging":[{"sender":{"id":"1020304050"},"recipient":{"id":"17841405822304914"},"timestamp":1771495200000,"message":{"mid":"aWdfZAG1faXRlbToxOk1","text":"Is the gate open?"}}]}]}"#,
};
