"""The commands of `isthmus-coordinator`; one module each."""
