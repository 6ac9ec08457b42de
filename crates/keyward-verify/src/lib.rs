//! Is this access token good, in a service that is not Keyward?
