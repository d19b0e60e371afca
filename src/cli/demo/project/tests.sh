#!/bin/sh
. ./receipt.sh
failed=0

# NAME GOT WANTED
check() {
    if [ "$2" = "$3" ]; then
        echo "ok      $1"
    else
        echo "FAILED  $1"
        echo "        got    $2"
        echo "        wanted $3"
        failed=1
    fi
}

check "cents become a price" "$(price 1250)" "12.50"
check "a line is pieces times cents" "$(line_total 3 50)" "150"
check "the total adds up" "$(printf '3 pear 50\n1 bread 320\n' | receipt | tail -n 1)" "TOTAL                  4.70"
exit $failed
