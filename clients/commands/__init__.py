"""The commands of `isthmus-node`, one module each; heavy imports stand inside the functions."""
