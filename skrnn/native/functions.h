/* tanh and the functions of the gates. Of two operands LARGER and SMALLER give the
   second where one is no number, so that these functions keep what is none. */

/* The quotient of polynomials that Eigen takes for tanh, and so TensorFlow. */
INLINE vec tanh_of(vec x) {
    x = SMALLER(SPLAT(7.90531110763549805f), x);
    x = LARGER(SPLAT(-7.90531110763549805f), x);
    vec square = x * x;
    vec above = SPLAT(-2.76076847742355e-16f);
    above = ADD_PRODUCT(SPLAT(2.00018790482477e-13f), above, square);
    above = ADD_PRODUCT(SPLAT(-8.60467152213735e-11f), above, square);
    above = ADD_PRODUCT(SPLAT(5.12229709037114e-08f), above, square);
    above = ADD_PRODUCT(SPLAT(1.48572235717979e-05f), above, square);
    above = ADD_PRODUCT(SPLAT(6.37261928875436e-04f), above, square);
    above = ADD_PRODUCT(SPLAT(4.89352455891786e-03f), above, square);
    vec below = SPLAT(1.19825839466702e-06f);
    below = ADD_PRODUCT(SPLAT(1.18534705686654e-04f), below, square);
    below = ADD_PRODUCT(SPLAT(2.26843463243900e-03f), below, square);
    below = ADD_PRODUCT(SPLAT(4.89352518554385e-03f), below, square);
    return x * above / below;
}

/* 2^n times a polynomial of what is left, Moshier's (Cephes). */
INLINE vec exp_of(vec x) {
    x = SMALLER(SPLAT(88.0f), x);
    x = LARGER(SPLAT(-87.0f), x);
    vec n = ROUND(x * SPLAT(1.44269504088896341f));
    x = ADD_PRODUCT(x, n, SPLAT(-0.693359375f));
    x = ADD_PRODUCT(x, n, SPLAT(2.12194440e-4f));
    vec sum = SPLAT(1.9875691500e-4f);
    sum = ADD_PRODUCT(SPLAT(1.3981999507e-3f), sum, x);
    sum = ADD_PRODUCT(SPLAT(8.3334519073e-3f), sum, x);
    sum = ADD_PRODUCT(SPLAT(4.1665795894e-2f), sum, x);
    sum = ADD_PRODUCT(SPLAT(1.6666665459e-1f), sum, x);
    sum = ADD_PRODUCT(SPLAT(5.0000001201e-1f), sum, x);
    sum = ADD_PRODUCT(x + SPLAT(1.0f), sum, x * x);
    return sum * POWER_OF_TWO(n);
}

/* A steepness of 0 stands for the hard sigmoid. */
INLINE vec gate(float steepness, vec x) {
    if (steepness == 0.0f)
        return LARGER(SPLAT(0.0f), SMALLER(SPLAT(1.0f), x + SPLAT(0.5f)));
    return SPLAT(1.0f) / (SPLAT(1.0f) + exp_of(SPLAT(-steepness) * x));
}

/* The gate's derivative, where its value is y. */
INLINE vec slope(float steepness, vec y) {
    if (steepness == 0.0f)
        return CEIL(y - y * y);
    return SPLAT(steepness) * y * (SPLAT(1.0f) - y);
}
