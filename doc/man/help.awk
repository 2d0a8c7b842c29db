# Turns what a program prints for --help into a manual page, so that the two
# cannot differ.  Variables: program, version, about.
BEGIN {
    printf ".TH %s 1 \"\" \"noetl %s\" \"noetl\"\n.SH NAME\n%s \\- %s\n", toupper(program), version, program, about
}

# The first line is the NAME above.
NR == 1 { next }

/^[A-Z][A-Z ]*$/ {
    if (open)
        print ".fi"
    printf ".SH %s\n.nf\n", $0
    open = 1
    next
}

{
    sub(/^  /, "")
    gsub(/\\/, "\\e")
    gsub(/-/, "\\-")
    sub(/^[.']/, "\\\\\\&&")
    print
}

END {
    if (open)
        print ".fi"
}
