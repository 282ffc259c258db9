-- Further pictures of an item, NULL for none: for each 32 bytes of its key and
-- dim little-endian float32. In the item's own row, so that they come, change
-- and go with it; a table of their own would cost each item a look-up when the
-- catalogue is loaded.
ALTER TABLE items ADD COLUMN views BLOB;
