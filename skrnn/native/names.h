/* The functions of a kernel, by names of its own: NAME(function) makes one. */

#undef tanh_of
#undef exp_of
#undef gate
#undef slope
#undef configure
#undef multiply_rows
#undef multiply
#undef multiply_by_unpacked
#undef multiply_few
#undef units_of
#undef load_some
#undef scale
#undef look_up
#undef narrow_rows
#undef pack_columns
#undef pack_rows
#undef held
#undef hold
#undef transpose
#undef hold_rows
#undef add_product
#undef add_products
#undef advance
#undef pool
#undef pack_matrices
#undef narrow_inputs
#undef multiply_inputs
#undef forward_rows
#undef steps_forward
#undef retreat
#undef unpool
#undef pack_transposed
#undef backward_rows
#undef steps_back

#define tanh_of NAME(tanh_of)
#define exp_of NAME(exp_of)
#define gate NAME(gate)
#define slope NAME(slope)
#define configure NAME(configure)
#define multiply_rows NAME(multiply_rows)
#define multiply NAME(multiply)
#define multiply_by_unpacked NAME(multiply_by_unpacked)
#define multiply_few NAME(multiply_few)
#define units_of NAME(units_of)
#define load_some NAME(load_some)
#define scale NAME(scale)
#define look_up NAME(look_up)
#define narrow_rows NAME(narrow_rows)
#define pack_columns NAME(pack_columns)
#define pack_rows NAME(pack_rows)
#define held NAME(held)
#define hold NAME(hold)
#define transpose NAME(transpose)
#define hold_rows NAME(hold_rows)
#define add_product NAME(add_product)
#define add_products NAME(add_products)
#define advance NAME(advance)
#define pool NAME(pool)
#define pack_matrices NAME(pack_matrices)
#define narrow_inputs NAME(narrow_inputs)
#define multiply_inputs NAME(multiply_inputs)
#define forward_rows NAME(forward_rows)
#define steps_forward NAME(steps_forward)
#define retreat NAME(retreat)
#define unpool NAME(unpool)
#define pack_transposed NAME(pack_transposed)
#define backward_rows NAME(backward_rows)
#define steps_back NAME(steps_back)
