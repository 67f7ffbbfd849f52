//! The providers that this build can verify, and their names.

/// A provider that this build can verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Slack: events, interactive payloads, slash commands.
    Slack,
    /// Telegram's Bot API.
    Telegram,
    /// Microsoft's Bot Framework: Teams and its other channels.
    Teams,
    /// Microsoft Teams: outgoing webhooks.
    TeamsOutgoing,
    /// Cisco Webex.
    Webex,
    /// WhatsApp's Cloud API.
    Whatsapp,
    /// Facebook Messenger.
    Messenger,
    /// Instagram messaging.
    Instagram,
    /// GitHub webhooks.
    Github,
    /// GitLab: its token, or its signing key.
    Gitlab,
    /// Gitea, Gogs and Forgejo.
    Gitea,
    /// Bitbucket, Server and Cloud.
    Bitbucket,
    /// Stripe.
    Stripe,
    /// PayPal.
    Paypal,
    /// Shopify.
    Shopify,
    /// Twilio: messages, calls, status callbacks.
    Twilio,
    /// Discord: interactions and webhook events.
    Discord,
    /// LINE.
    Line,
    /// Standard Webhooks 1.0, Svix's headers too.
    StandardWebhooks,
    /// Zoom.
    Zoom,
    /// Linear.
    Linear,
    /// SendGrid's event webhook.
    Sendgrid,
    /// Anyone who signs with an HMAC, as the options say.
    Hmac,
    /// Anyone who signs HTTP messages (RFC 9421), as the options say.
    HttpSignature,
    /// Any sender's webhook for a flow, with the check that the options say.
    Webhook,
    /// Web chat: browsers, with tokens of the gateway's own.
    Webchat,
}

impl Provider {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 26] = [
        Self::Slack,
        Self::Telegram,
        Self::Teams,
        Self::TeamsOutgoing,
        Self::Webex,
        Self::Whatsapp,
        Self::Messenger,
        Self::Instagram,
        Self::Github,
        Self::Gitlab,
        Self::Gitea,
        Self::Bitbucket,
        Self::Stripe,
        Self::Paypal,
        Self::Shopify,
        Self::Twilio,
        Self::Discord,
        Self::Line,
        Self::StandardWebhooks,
        Self::Zoom,
        Self::Linear,
        Self::Sendgrid,
        Self::Hmac,
        Self::HttpSignature,
        Self::Webhook,
        Self::Webchat,
    ];

    /// The name in manifests, metrics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Telegram => "telegram",
            Self::Teams => "teams",
            Self::TeamsOutgoing => "teams-outgoing",
            Self::Webex => "webex",
            Self::Whatsapp => "whatsapp",
            Self::Messenger => "messenger",
            Self::Instagram => "instagram",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Bitbucket => "bitbucket",
            Self::Stripe => "stripe",
            Self::Paypal => "paypal",
            Self::Shopify => "shopify",
            Self::Twilio => "twilio",
            Self::Discord => "discord",
            Self::Line => "line",
            Self::StandardWebhooks => "standard-webhooks",
            Self::Zoom => "zoom",
            Self::Linear => "linear",
            Self::Sendgrid => "sendgrid",
            Self::Hmac => "hmac",
            Self::HttpSignature => "http-signature",
            Self::Webhook => "webhook",
            Self::Webchat => "webchat",
        }
    }

    /// Whether an endpoint needs a signing secret of its own; without one, the provider publishes the keys that verify.
    pub fn needs_signing(self) -> bool {
        !matches!(self, Self::Teams | Self::Paypal)
    }

    /// The provider of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}
