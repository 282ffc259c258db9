package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sightline/demo/catalogue"
)

// writeFeeds writes the shop's products three times: our JSONL, CSV with the
// same names, and Google Merchant's RSS.
func writeFeeds(dir string, world *catalogue.World, pictures []catalogue.Picture) error {
	products := make([]catalogue.Product, len(pictures))
	for i, p := range pictures {
		products[i] = world.Product(p)
	}
	if err := writeLines(filepath.Join(dir, "feed.jsonl"), products); err != nil {
		return err
	}
	if err := writeCSV(filepath.Join(dir, "feed.csv"), products); err != nil {
		return err
	}
	return writeMerchant(filepath.Join(dir, "feed.xml"), products)
}

var csvColumns = []string{
	"id", "title", "description", "image", "price", "currency", "availability", "brand", "category", "color", "group_id",
	"pattern", "size", "type", "parts:list", "products:number",
}

func writeCSV(path string, products []catalogue.Product) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{csvColumns}
	for _, p := range products {
		rows = append(rows, []string{
			p.ID, p.Title, p.Description, p.Image, amount(p.Price), p.Currency, p.Availability, p.Brand, p.Category,
			p.Color, p.GroupID, text(p, "pattern"), text(p, "size"), text(p, "type"), strings.Join(parts(p), "|"), count(p),
		})
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("write feed.csv: %w", err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write feed.csv: %w", err)
	}
	return nil
}

func amount(price float64) string { return strconv.FormatFloat(price, 'f', 2, 64) }

func text(p catalogue.Product, attribute string) string {
	s, _ := p.Attributes[attribute].(string)
	return s
}

func parts(p catalogue.Product) []string {
	list, _ := p.Attributes["parts"].([]string)
	return list
}

// count is how many products the picture shows.
func count(p catalogue.Product) string { return fmt.Sprint(p.Attributes["products"]) }

// rss is a Google Merchant feed: https://support.google.com/merchants/answer/7052112
type rss struct {
	XMLName xml.Name `xml:"rss"`
	Version string   `xml:"version,attr"`
	G       string   `xml:"xmlns:g,attr"`
	Channel channel  `xml:"channel"`
}

type channel struct {
	Title       string     `xml:"title"`
	Link        string     `xml:"link"`
	Description string     `xml:"description"`
	Items       []merchant `xml:"item"`
}

type merchant struct {
	ID           string `xml:"g:id"`
	Title        string `xml:"g:title"`
	Description  string `xml:"g:description"`
	Image        string `xml:"g:image_link"`
	Price        string `xml:"g:price"`
	Availability string `xml:"g:availability"`
	Brand        string `xml:"g:brand"`
	Category     string `xml:"g:product_type"`
	Color        string `xml:"g:color"`
	Pattern      string `xml:"g:pattern,omitempty"`
	Size         string `xml:"g:size,omitempty"`
	GroupID      string `xml:"g:item_group_id,omitempty"`
	// Not Google's: what else our JSONL says.
	Type     string   `xml:"g:type,omitempty"`
	Parts    []string `xml:"g:parts,omitempty"`
	Products string   `xml:"g:products"`
}

// writeMerchant keeps image paths relative to the feed, which Google's own
// format does not allow: there is no shop to link to.
func writeMerchant(path string, products []catalogue.Product) error {
	out := rss{Version: "2.0", G: "http://base.google.com/ns/1.0", Channel: channel{
		Title: "Sightline demo shop", Link: "https://shop.example/", Description: "Products that do not exist",
	}}
	for _, p := range products {
		out.Channel.Items = append(out.Channel.Items, merchant{
			ID: p.ID, Title: p.Title, Description: p.Description, Image: p.Image,
			Price: amount(p.Price) + " " + p.Currency, Availability: strings.ReplaceAll(p.Availability, " ", "_"),
			Brand: p.Brand, Category: p.Category, Color: p.Color, Pattern: text(p, "pattern"), Size: text(p, "size"), GroupID: p.GroupID,
			Type: text(p, "type"), Parts: parts(p), Products: count(p),
		})
	}
	data, err := xml.MarshalIndent(out, "", " ")
	if err != nil {
		return fmt.Errorf("write feed.xml: %w", err)
	}
	if err := os.WriteFile(path, append([]byte(xml.Header), append(data, '\n')...), 0o644); err != nil {
		return fmt.Errorf("write feed.xml: %w", err)
	}
	return nil
}

// viewCount is how many new photographs there are for searches by picture.
const viewCount = 500

// writeQueries writes what is searched for, in words and in pictures.
func writeQueries(ctx context.Context, o options, world *catalogue.World, pictures []catalogue.Picture) error {
	if err := writeLines(filepath.Join(o.out, "queries.jsonl"), world.Queries(o.split, pictures, o.seed)); err != nil {
		return err
	}
	if !o.png {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(o.out, "views"), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	renderer, err := catalogue.NewRenderer(o.size)
	if err != nil {
		return err
	}
	views := world.Views(pictures, min(viewCount, o.n/10), o.seed)
	for _, v := range views {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := writePNG(filepath.Join(o.out, filepath.FromSlash(v.Image)), renderer.Draw(v.Record, v.Seed), o.size); err != nil {
			return err
		}
	}
	return writeLines(filepath.Join(o.out, "views.jsonl"), views)
}
