import { readFileSync } from 'node:fs'

/** From package.json: one place. In a bundle, its `build` says of which commit it is. */
const { version, build } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
  build?: string
}

export const VERSION = version

/** Which build this is; a checkout, where it is none. */
export const BUILD = build ?? 'checkout'
