import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds serious or critical on a page; and whether the page is wider than its window. */
export async function serious(page: Page): Promise<unknown[]> {
  // It is large: once for each page that is loaded.
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(AXE)
  const found = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
    violations: { id: string; impact: string; nodes: { html: string }[] }[]
  }
  const isWider = await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
  return [
    ...found.violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => [id, nodes[0]?.html]),
    ...(isWider ? ['the page is wider than its window'] : []),
  ]
}
