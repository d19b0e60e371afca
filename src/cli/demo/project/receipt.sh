#!/bin/sh
# A till's receipt: lines of "PIECES NAME CENTS" come in, what they cost goes out.

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
    while read -r n name cents; do
        sum=$(line_total "$n" "$cents")
        total=$((total + sum))
        printf '%3d x %-12s %8s\n' "$n" "$name" "$(price "$sum")"
    done
    printf '%-18s %8s\n' "TOTAL" "$(price "$total")"
}
