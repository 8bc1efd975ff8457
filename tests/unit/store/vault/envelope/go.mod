module envelope

go 1.21
