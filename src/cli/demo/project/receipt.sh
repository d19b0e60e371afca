#!/bin/sh
# A till's receipt: lines of "PIECES ARTICLE CENTS" come in, what they cost goes out.

# Cents as a price: 1250 is 12.50.
price() {
    printf '%d.%02d' $(($1 / 100)) $(($1 % 100))
}

# What a line costs, in cents.
line_total() {
    echo $(($1 * $2))
}

receipt() {
    echo "CORNER SHOP"
    total=0
    while read -r pieces article cents; do
        amount=$(line_total "$pieces" "$cents")
        total=$((total + amount))
        printf '%3d x %-12s %8s\n' "$pieces" "$article" "$(price "$amount")"
    done
    printf '%-18s %8s\n' "TOTAL" "$(price "$total")"
}
