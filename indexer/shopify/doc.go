// Package shopify takes the webhooks that a Shopify shop sends when its
// products change, and queues what the index must do about them:
//
//	handler.go    one delivery: size, signature, shop, topic, queue, answer
//	signature.go  HMAC of the raw body; two secrets while one is replaced
//	delivery.go   headers, which are not signed; the version of a change
//	product.go    the product as Shopify's JSON has it
//	rows.go       the same product as rows of Shopify's CSV
//	items.go      those rows as items, read by package feed
//	plan.go       what is to be written and deleted
//	job.go        the payload that workers read
//
// A product goes through the rows of Shopify's own export because the same
// product also arrives by that export, in the full feed that makes up for lost
// webhooks. One reader for both leaves no second set of rules that could drift:
// same ids, same texts, same prices.
//
// Nothing is looked up or written here but one job, so that the answer leaves
// within a second however large the catalogue is. docs/shopify.md is the
// owner's side.
package shopify
