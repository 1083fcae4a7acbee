/**
 * A decoded record, or why it could not be: then the bytes stay as they came. `held`: a part of a message, kept by the decoder until the rest of it
 * has come; no record is made of it.
 */
export type Decoded = { readonly value: Buffer } | { readonly error: string } | { readonly held: true }

/** Reads one record, `bytes[from, to)`. */
export type Decoder = (bytes: Buffer, from: number, to: number) => Decoded

/** JSON is UTF-8 (RFC 8259, 8.1): what is not cannot become any. */
export const NOT_UTF8 = 'not UTF-8'

/** Counts what made no record, though no record was wrong. */
export type OnTrouble = (what: string) => void
