//! Identifiers, names, policies, the cluster map and what the services say about objects.
