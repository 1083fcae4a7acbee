/** A decoded record, or why it could not be: then the bytes stay as they came. */
export type Decoded = { readonly value: Buffer } | { readonly error: string }

/** Reads one record, `bytes[from, to)`. */
export type Decoder = (bytes: Buffer, from: number, to: number) => Decoded

/** JSON is UTF-8 (RFC 8259, 8.1): what is not cannot become any. */
export const NOT_UTF8 = 'not UTF-8'
