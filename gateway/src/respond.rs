//! Every refusal and every error becomes an answer here, and nowhere else.

use tollgate_ingress::Reason;

/// The status that a request with this refusal gets.
pub fn status_of_reason(reason: Reason) -> u16 {
    let _ = reason;
    todo!()
}
