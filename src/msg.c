// SPDX-License-Identifier: GPL-2.0
/* Outgoing messages and the pages that they lie in. See msg.h. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "msg.h"

/* the largest piece that skb_page_frag_refill() is asked for */
#define FRAG_ROOM_MAX (PAGE_SIZE << 3)

static struct kmem_cache *cache;

/**
 * iketcp_msg_alloc() - make a message without room for bytes
 * @gfp: how to allocate
 *
 * Return: the message, the caller's; NULL without memory.
 */
struct iketcp_msg *iketcp_msg_alloc(gfp_t gfp)
{
	struct iketcp_msg *msg = kmem_cache_zalloc(cache, gfp | __GFP_NOWARN);

	if (msg)
		INIT_LIST_HEAD(&msg->list);
	return msg;
}

/* Return: @frag has some room, if memory is short less than @len. */
static bool refill(struct page_frag *frag, unsigned int len, bool more,
		   gfp_t gfp)
{
	if (more)
		return skb_page_frag_refill(len, frag, gfp);
	if (frag->page && frag->size - frag->offset >= len)
		return true;
	if (frag->page)
		put_page(frag->page);
	frag->page = alloc_page(gfp);
	frag->offset = 0;
	frag->size = PAGE_SIZE;
	return frag->page;
}

/**
 * iketcp_msg_room() - give a message room for its bytes
 * @msg: a message without room
 * @frag: where to cut the room from, so that messages lie one behind the
 *	  other and TCP can merge them; the caller's lock guards it; or NULL
 * @len: bytes wanted, 1..65535
 * @more: more messages follow closely: a new page of @frag may be a large one
 * @gfp: how to allocate
 *
 * The room is contiguous, and highmem is never used: ciphers and copies use
 * plain addresses.
 *
 * Return: there is room; @msg holds a reference to the page.
 */
bool iketcp_msg_room(struct iketcp_msg *msg, struct page_frag *frag,
		     unsigned int len, bool more, gfp_t gfp)
{
	if (frag && len <= (more ? FRAG_ROOM_MAX : PAGE_SIZE)) {
		if (!refill(frag, len, more, gfp | __GFP_NOWARN))
			return false;
		/* Short of memory the refill may settle for one page. */
		if (frag->size - frag->offset >= len) {
			get_page(frag->page);
			msg->page = frag->page;
			msg->offset = frag->offset;
			msg->len = len;
			frag->offset += len;
			return true;
		}
	}

	msg->page = alloc_pages(gfp | __GFP_COMP | __GFP_NOWARN,
				get_order(len));
	if (!msg->page)
		return false;
	msg->offset = 0;
	msg->len = len;
	return true;
}

/**
 * iketcp_msg_no_room() - take a message's room away again
 * @msg: a message with or without room; only its sequence number is left
 */
void iketcp_msg_no_room(struct iketcp_msg *msg)
{
	if (msg->page)
		put_page(msg->page);
	msg->page = NULL;
}

/**
 * iketcp_msg_free() - drop a message
 * @msg: the caller's, on no list
 *
 * Drops the references to the page and to the packet.
 *
 * Context: any but hard interrupt.
 */
void iketcp_msg_free(struct iketcp_msg *msg)
{
	iketcp_msg_no_room(msg);
	consume_skb(msg->skb);
	kmem_cache_free(cache, msg);
}

/**
 * iketcp_msg_free_list() - drop all messages of a list
 * @list: the caller's; empty afterwards
 */
void iketcp_msg_free_list(struct list_head *list)
{
	struct iketcp_msg *msg, *next;

	list_for_each_entry_safe(msg, next, list, list) {
		list_del(&msg->list);
		iketcp_msg_free(msg);
	}
}

/**
 * iketcp_msg_data() - where a message's bytes are
 * @msg: a message with room
 */
u8 *iketcp_msg_data(const struct iketcp_msg *msg)
{
	return page_address(msg->page) + msg->offset;
}

int __init iketcp_msg_setup(void)
{
	cache = KMEM_CACHE(iketcp_msg, SLAB_HWCACHE_ALIGN);
	return cache ? 0 : -ENOMEM;
}

void iketcp_msg_teardown(void)
{
	kmem_cache_destroy(cache);
}
