import type { Ingress } from '../ingress/ingress.ts'
import { HeadraceError } from '../runtime/errors.ts'
import { nearest } from '../runtime/nearest.ts'

export interface Forgotten {
  readonly outcome: 'forgotten'
  readonly gateway: string
  /** A session of it stood, and was closed. */
  readonly was_connected: boolean
}

/** What `headrace gateway …` and the console ask of a running core. */
export function gatewayCalls(ingress: Ingress | undefined) {
  return {
    'gateway.forget': async (args: Readonly<Record<string, unknown>>): Promise<Forgotten> => {
      const gateway = String(args['gateway'])
      const known = ingress?.gateways() ?? []
      if (!ingress || !known.includes(gateway)) {
        const meant = nearest(gateway, known)
        throw new HeadraceError('not_found', `this core remembers no gateway ${gateway}: any installation of it may come`, {
          advice:
            meant === undefined ? 'Nothing has to be done here; `headrace status` names the gateways.' : `Did you mean ${meant}?`,
        })
      }
      const isConnected = ingress.status().gateways.some(each => each.gateway === gateway)
      ingress.forget(gateway)
      return { outcome: 'forgotten', gateway, was_connected: isConnected }
    },
  }
}
