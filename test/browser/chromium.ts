import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
/** Nothing of the browser's own goes out to the network. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Debian's Chromium, without a window. */
export function launchChromium(): Promise<Browser> {
  const executablePath = EXECUTABLES.find(path => existsSync(path))
  if (executablePath === undefined) throw new Error('the browser tests need Chromium (Debian: chromium)')
  return chromium.launch({ executablePath, args: ARGS })
}

/** A page, and all that went wrong in it: errors of scripts, and what its policy forbade. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', error => errors.push(error.message))
  page.on('console', message => {
    // A server that is down is what some tests are about.
    if (message.type() === 'error' && !/ERR_CONNECTION|ERR_INCOMPLETE|401|Failed to load resource/.test(message.text()))
      errors.push(message.text())
  })
  return { page, errors }
}
