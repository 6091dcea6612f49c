"""Application and Release objects of a cluster, and the store: what people write is taken in, what the store holds is
shown. No decision about traffic is made here."""
