"""Taxonomy of the wardrobe: category -> sub-category -> function that makes a design."""

from collections.abc import Callable

from kaleido.wardrobe import accessories, bags, bottoms, dresses, footwear, outerwear, tops
from kaleido.wardrobe.choices import Choices
from kaleido.wardrobe.design import Design

TAXONOMY: dict[str, dict[str, Callable[[Choices], Design]]] = {
    "tops": {
        "t-shirts": tops.t_shirt,
        "tank tops": tops.tank_top,
        "shirts": tops.shirt,
        "polo shirts": tops.polo_shirt,
        "blouses": tops.blouse,
        "sweaters": tops.sweater,
        "hoodies": tops.hoodie,
        "cardigans": tops.cardigan,
    },
    "bottoms": {
        "jeans": bottoms.jeans,
        "trousers": bottoms.trousers,
        "shorts": bottoms.shorts,
        "leggings": bottoms.leggings,
        "mini skirts": bottoms.mini_skirt,
        "midi skirts": bottoms.midi_skirt,
        "maxi skirts": bottoms.maxi_skirt,
    },
    "dresses": {
        "day dresses": dresses.day_dress,
        "evening dresses": dresses.evening_dress,
        "shirt dresses": dresses.shirt_dress,
        "jumpsuits": dresses.jumpsuit,
    },
    "outerwear": {
        "bomber jackets": outerwear.bomber_jacket,
        "denim jackets": outerwear.denim_jacket,
        "blazers": outerwear.blazer,
        "coats": outerwear.coat,
        "raincoats": outerwear.raincoat,
        "puffer vests": outerwear.puffer_vest,
    },
    "footwear": {
        "sneakers": footwear.sneakers,
        "ankle boots": footwear.ankle_boots,
        "knee-high boots": footwear.knee_boots,
        "high heels": footwear.heels,
        "sandals": footwear.sandals,
        "loafers": footwear.loafers,
        "socks": footwear.socks,
    },
    "bags": {
        "tote bags": bags.tote_bag,
        "handbags": bags.handbag,
        "backpacks": bags.backpack,
        "clutches": bags.clutch,
        "shoulder bags": bags.shoulder_bag,
        "suitcases": bags.suitcase,
    },
    "accessories": {
        "hats": accessories.hat,
        "caps": accessories.cap,
        "beanies": accessories.beanie,
        "scarves": accessories.scarf,
        "ties": accessories.tie,
        "bow ties": accessories.bow_tie,
        "belts": accessories.belt,
        "sunglasses": accessories.sunglasses,
        "watches": accessories.watch,
        "gloves": accessories.gloves,
        "umbrellas": accessories.umbrella,
    },
}
