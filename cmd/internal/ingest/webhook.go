package ingest

import (
	"errors"
	"net/http"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/indexer/shopify"
	"sightline/store"
)

// Where the secrets of Shopify's signatures come from; _FILE names a file
// instead.
const (
	shopifySecret    = "SIGHTLINE_SHOPIFY_SECRET"
	shopifyOldSecret = "SIGHTLINE_SHOPIFY_SECRET_OLD"
)

// WebhookPath is where Shopify's webhooks are taken.
const WebhookPath = "/webhooks/shopify"

// ShopifyFlags adds the flags of the commands that take Shopify's webhooks.
func ShopifyFlags(fs *pflag.FlagSet) {
	ShopFlags(fs)
	fs.String("currency", "", "of prices that name none, such as EUR; webhooks name none")
	fs.Bool("shopify-variants", false, "an item for each variant of a Shopify product instead of one for the product")
}

// ShopFlags adds those that the flags of feeds do not have.
func ShopFlags(fs *pflag.FlagSet) {
	fs.String("shopify-shops", "", "myshopify.com domains whose webhooks are taken, separated by commas; the secret comes from "+shopifySecret+" or "+shopifySecret+"_FILE")
}

// Webhooks returns the handler of WebhookPath; nil where no shop is named.
func Webhooks(e cli.Env, q shopify.Enqueuer, observe func(outcome string)) (http.Handler, error) {
	var errs [2]error
	o := shopify.Options{Queue: q, Currency: e.Currency, Variants: e.Variants, Observe: observe, Log: e.Log}
	o.Secret, errs[0] = store.ReadSecret(cli.Getenv(e.Environ), shopifySecret)
	o.OldSecret, errs[1] = store.ReadSecret(cli.Getenv(e.Environ), shopifyOldSecret)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, cli.Usage(err)
	}
	o.Shops = cli.CommaList(e.Shops)
	switch {
	case len(o.Shops) == 0 && o.Secret == "":
		return nil, nil
	case len(o.Shops) == 0:
		return nil, cli.Usagef("%s is set and --shopify-shops is not: name the shop, such as example.myshopify.com", shopifySecret)
	case o.Secret == "":
		return nil, cli.Usagef("--shopify-shops is given and %s is not: webhooks are taken only with the secret that Shopify signs them with", shopifySecret)
	}
	h, err := shopify.NewHandler(o)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return h, nil
}
