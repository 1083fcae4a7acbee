/** A value as the database keeps it, in JSON; undefined for null. */
export function parseKept<T>(text: string | null): T | undefined {
  return text === null ? undefined : (JSON.parse(text) as T)
}

export function toKept(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}
