/* The functions of a kernel, by names of its own: NAME(function) makes one. */

#undef tanh_of
#undef exp_of
#undef gate
#undef slope
#undef configure
#undef multiply_rows
#undef multiply
#undef advance
#undef pool
#undef unpool
#undef forward_rows
#undef pack_columns
#undef steps_forward
#undef retreat
#undef backward_rows
#undef pack_rows
#undef steps_back

#define tanh_of NAME(tanh_of)
#define exp_of NAME(exp_of)
#define gate NAME(gate)
#define slope NAME(slope)
#define configure NAME(configure)
#define multiply_rows NAME(multiply_rows)
#define multiply NAME(multiply)
#define advance NAME(advance)
#define pool NAME(pool)
#define unpool NAME(unpool)
#define forward_rows NAME(forward_rows)
#define pack_columns NAME(pack_columns)
#define steps_forward NAME(steps_forward)
#define retreat NAME(retreat)
#define backward_rows NAME(backward_rows)
#define pack_rows NAME(pack_rows)
#define steps_back NAME(steps_back)
