import type { ChangeItem } from '@voiceoi/contracts';
import {
  isNamed,
  isNumbered,
  isSecret,
  scriptKey,
  type WireCampaign,
  type WireContent,
  type WireScript,
  type WireSecret,
} from './wire.ts';

/** A bundle's content with what stands beside it. */
export interface Held {
  readonly content: WireContent;
  readonly secrets: readonly WireSecret[];
}

interface Draft {
  readonly campaigns: Map<string, WireCampaign>;
  readonly scripts: Map<string, WireScript>;
  readonly secrets: Map<string, WireSecret>;
  settings: object;
}

/** What is held after a revision's items were put and deleted; undefined when an item has another shape or another name than it says. */
export function applyItems(
  { content, secrets }: Held,
  revision: number,
  items: readonly ChangeItem[],
): Held | undefined {
  const draft: Draft = {
    campaigns: new Map(content.campaigns.map((campaign) => [campaign.id, campaign])),
    scripts: new Map(content.scripts.map((script) => [scriptKey(script), script])),
    secrets: new Map(secrets.map((secret) => [secret.name, secret])),
    settings: content.settings,
  };
  if (!items.every((item) => (item.op === 'delete' ? remove(draft, item) : put(draft, item)))) return undefined;
  return {
    content: {
      ...content,
      revision,
      settings: draft.settings,
      campaigns: [...draft.campaigns.values()],
      scripts: [...draft.scripts.values()],
    },
    secrets: [...draft.secrets.values()],
  };
}

function remove(draft: Draft, { kind, id }: ChangeItem): boolean {
  if (kind === 'settings') return false;
  const lists = { campaign: draft.campaigns, script: draft.scripts, secret: draft.secrets };
  lists[kind].delete(id);
  return true;
}

function put(draft: Draft, { kind, id, object }: ChangeItem): boolean {
  switch (kind) {
    case 'campaign':
      return isNamed(object) && object.id === id && keep(draft.campaigns, id, object);
    case 'script':
      return isNumbered(object) && scriptKey(object) === id && keep(draft.scripts, id, object);
    case 'secret':
      return isSecret(object) && object.name === id && keep(draft.secrets, id, object);
    case 'settings':
      if (object === undefined) return false;
      draft.settings = object;
      return true;
    default:
      return kind satisfies never;
  }
}

function keep<T>(into: Map<string, T>, id: string, object: T): true {
  into.set(id, object);
  return true;
}
