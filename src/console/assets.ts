import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, gzipSync } from 'node:zlib'

const PAGE_DIR = fileURLToPath(new URL('./page', import.meta.url))
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.ts': 'text/javascript; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

export interface Asset {
  readonly type: string
  readonly bytes: Buffer
  readonly gzip: Buffer
  readonly etag: string
}

export interface Assets {
  readonly index: Asset
  /** By path, such as `/assets/main.ts`. */
  readonly files: ReadonlyMap<string, Asset>
  /** SHA-256 of scripts that stand in the page itself, base64: what its policy lets run. */
  readonly scriptHashes: readonly string[]
}

/** All that the page is made of, in memory: a few files, compressed once. The page's TypeScript is served with its types taken out. */
export function loadAssets(): Assets {
  const files = new Map<string, Asset>()
  for (const name of readdirSync(PAGE_DIR)) {
    const at = name.lastIndexOf('.')
    const type = TYPES[name.slice(at)]
    if (type === undefined || name === 'index.html') continue
    const text = readFileSync(join(PAGE_DIR, name), 'utf8')
    files.set(`/assets/${name}`, asset(type, name.endsWith('.ts') ? stripTypeScriptTypes(text) : text))
  }
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot'))
  files.set('/assets/uplot.js', asset(TYPES['.js'] ?? '', readFileSync(join(uplot, 'uPlot.esm.js'), 'utf8')))
  files.set('/assets/uplot.css', asset(TYPES['.css'] ?? '', readFileSync(join(uplot, 'uPlot.min.css'), 'utf8')))
  const html = readFileSync(join(PAGE_DIR, 'index.html'), 'utf8')
  const scripts = [...html.matchAll(/<script type="importmap">([\s\S]*?)<\/script>/g)].map(match => match[1] ?? '')
  const scriptHashes = scripts.map(script => createHash('sha256').update(script).digest('base64'))
  return { index: asset(TYPES['.html'] ?? '', html), files, scriptHashes }
}

function asset(type: string, text: string): Asset {
  const bytes = Buffer.from(text)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 20)}"`
  return { type, bytes, gzip: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }), etag }
}
