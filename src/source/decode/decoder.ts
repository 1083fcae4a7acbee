/** A decoded record, or why it could not be: then the bytes stay as they came. */
export type Decoded = { readonly value: Buffer } | { readonly error: string }

/** Reads one record, `bytes[from, to)`. */
export type Decoder = (bytes: Buffer, from: number, to: number) => Decoded
