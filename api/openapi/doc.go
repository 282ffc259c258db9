// Package openapi serves the description of a REST interface (OpenAPI 3.1) and
// a page that shows it, and has the short words in which package api writes the
// description. It knows nothing of what is described.
//
// Types and their JSON are those of huma, of which nothing else is used: it
// makes schemas from Go types, while requests keep their own strict decoders.
package openapi
