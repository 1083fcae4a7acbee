/** Writes docs/reference.md from the schemas: `npm run reference`. A test holds the page to them. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { referencePage } from './reference/page.ts'

writeFileSync(fileURLToPath(new URL('../docs/reference.md', import.meta.url)), referencePage())
