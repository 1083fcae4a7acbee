import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'

/** Where the compiled files lie in the program's folder: two folders deep, so that `../../` is that folder from each of them. */
export const CODE_FOLDER = 'lib/headrace'
const ADDRESS = /new URL\('(\.\.?\/[^']+)', import\.meta\.url\)/g

/** Packages that stay as they are: they have native parts, are reached into by path, or are served as files. */
export const KEPT_PACKAGES = ['better-sqlite3', '@serialport/bindings-cpp', '@node-rs/crc32', 'kafkajs', 'koffi', 'rhea', 'uplot']

/**
 * Puts the program together from its modules: one file for what every command loads, others for what is loaded when it is needed, so that a
 * start reads a few files and strips no types. Gives the files and folders of the checkout that the code opens by address, relative to the root.
 */
export async function compile(root: string, into: string): Promise<readonly string[]> {
  const assets = new Set<string>()
  const bundle = await rolldown({
    input: { main: resolve(root, 'src/cli/main.ts') },
    cwd: root,
    platform: 'node',
    external: id => KEPT_PACKAGES.some(name => id === name || id.startsWith(`${name}/`)),
    plugins: [addresses(root, assets), schemasOnDemand(root)],
    onLog: (level, log, report) => {
      // A dependency that evaluates text, or says `require` under its own name, is its own affair.
      if (log.code !== 'EVAL' && log.code !== 'CIRCULAR_DEPENDENCY') report(level, log)
    },
  })
  await bundle.write({
    dir: resolve(into, CODE_FOLDER),
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    keepNames: true,
    comments: false,
    // V8 keeps a text with any other character in two bytes for each.
    charset: 'ascii',
  })
  await bundle.close()
  return [...assets].sort()
}

/**
 * `new URL('…', import.meta.url)` names a neighbour in the sources. Of a module it becomes a file of its own; of anything else the way from the
 * compiled files to the same path under the program's folder. Whatever it names has to be there: otherwise it would be missed in the field.
 */
function addresses(root: string, assets: Set<string>): Plugin {
  return {
    name: 'addresses',
    transform(code, id) {
      if (id.includes('node_modules') || !id.startsWith(root)) return null
      return code.replace(ADDRESS, (_, address: string) => {
        const target = resolve(dirname(id), address)
        if (!existsSync(target)) throw new Error(`${relative(root, id)}: ${address} is not there`)
        if (target.endsWith('.ts')) {
          const name = basename(target, '.ts')
          if (name !== 'main') this.emitFile({ type: 'chunk', id: target, fileName: `${name}.js` })
          return `new URL('./${name}.js', import.meta.url)`
        }
        const path = relative(root, target)
        assets.add(path)
        // What lies in a folder is found from it only with the slash at its end.
        return `new URL('../../${path}${address.endsWith('/') ? '/' : ''}', import.meta.url)`
      })
    },
  }
}

/** Of the program's own modules only what stands for zod loads it, and only when a schema is used. */
function schemasOnDemand(root: string): Plugin {
  const own = (file: string) => resolve(root, 'src/runtime', file)
  return {
    name: 'schemas-on-demand',
    resolveId: (id, importer) => {
      const isOurs = importer?.startsWith(resolve(root, 'src')) && importer !== own('zod-itself.ts')
      return id === 'zod' && isOurs ? own('zod-on-demand.ts') : null
    },
  }
}

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}
