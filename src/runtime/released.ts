import { readFileSync } from 'node:fs'

const { released } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { released: string }

/**
 * When this version was made, ms since 1970: of a bundle the time of its commit, which `npm run bundle` writes into its package.json; of a checkout the day
 * that package.json says.
 */
export const RELEASED_MS = Date.parse(released)
