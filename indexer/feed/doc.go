// Package feed reads catalogues in the forms that shops have them:
//
//	open.go      a file, a folder, an address or standard input
//	input.go     gzip, limits, progress      encoding.go  bytes to UTF-8
//	sniff.go     which format it is
//	jsonl.go     one item a line
//	table.go     CSV and TSV                 cells.go, lines.go  rows and cells
//	shopify.go   Shopify's product CSV       product.go  rows of one product
//	xml.go       Google Merchant: RSS, Atom  item.go     elements of one item
//	folder.go    pictures, NAME.json beside them
//	report.go    rejected rows, to be corrected and imported again
//
// columns.go says what a column or element of any format means; build.go makes
// an item of the values. Every reader streams: memory does not grow with the
// feed, and one line, cell or element is bounded.
package feed
