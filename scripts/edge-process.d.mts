export const EDGE_FLAGS: readonly string[]
export const EDGE_ENV: Readonly<Record<string, string>>
