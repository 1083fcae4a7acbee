import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import type { Up } from '../cli/up-process.ts'
import { until } from '../support/until.ts'

/** Where `headrace up` says that its console is; after another start, where the last one says it. */
export function consoleUrlOf(up: Up): string {
  const found = [...readFileSync(up.process.logPath, 'utf8').matchAll(/See it at (http:\S+?),/g)].at(-1)?.[1]
  if (found === undefined) throw new Error('it does not say where its console is')
  return found
}

export async function becomesLive(page: Page): Promise<void> {
  await until('the page is live', async () => (await page.locator('#live').textContent()) === 'live')
}

/** Records of a source in the log, as the overview says; 0 where it says nothing yet. */
export async function recordsOf(page: Page, source: string): Promise<number> {
  const row = page.getByRole('region', { name: 'Sources' }).locator('tr', { hasText: source }).first()
  if ((await row.count()) === 0) return 0
  return Number((await row.locator('td').nth(4).textContent())?.replaceAll(',', ''))
}
