//! Proposals: pending hunks of one task over the texts they were made from.
