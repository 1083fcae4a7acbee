import { registerHooks } from 'node:module'

/** What analysers of one's own import, wherever they lie: `import { defineAnalyser } from 'headrace/analyser'`. */
const SPECIFIER = 'headrace/analyser'
const API = new URL('../analyser/define-analyser.ts', import.meta.url)

/** Has this process know that name; what is given back ends it. */
export function offerAnalyserApi(): () => void {
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === SPECIFIER ? { url: API.href, shortCircuit: true } : next(specifier, context),
  })
  return () => hooks.deregister()
}
